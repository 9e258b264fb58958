% Golden values of the four matting metrics: `octave-cli metrics.m > metrics.json`.
%
% Written from the published definitions and in the types of the official code (single for Conn, double for
% Grad), with no package: region growing and filtering are spelled out below. Arrays are stored as hex, two
% digits a pixel, column by column.
1;

function scores = score(pred, target, trimap)
  pred(trimap == 0) = 0;
  pred(trimap == 255) = 255;
  unknown = trimap == 128;
  d = (double(pred) - double(target)) / 255;
  grad = gradient_map(pred, target);
  conn = connectivity_map(pred, target);
  scores = struct( ...
    'sad', sum(abs(d(unknown))) / 1000, 'mse', sum(d(unknown) .^ 2) / sum(unknown(:)), ...
    'grad', sum(grad(unknown)) / 1000, 'conn', sum(conn(unknown)) / 1000, ...
    'sad_whole', sum(abs(d(:))) / 1000, 'mse_whole', mean(d(:) .^ 2), ...
    'grad_whole', sum(grad(:)) / 1000, 'conn_whole', sum(conn(:)) / 1000);
end

function out = stretch(in)  % what mat2gray does to 8-bit input
  in = double(in);
  low = min(in(:));
  high = max(in(:));
  if high == low
    out = min(max(in, 0), 1);
  else
    out = (in - low) / (high - low);
  end
end

function errors = gradient_map(pred, target)
  errors = (amplitude(stretch(pred)) - amplitude(stretch(target))) .^ 2;
end

function out = amplitude(in)
  sigma = 1.4;
  epsilon = 1e-2;
  half = ceil(sigma * sqrt(-2 * log(sqrt(2 * pi) * sigma * epsilon)));
  kernel = zeros(2 * half + 1);
  for i = -half:half
    for j = -half:half
      gi = exp(-i ^ 2 / (2 * sigma ^ 2)) / (sigma * sqrt(2 * pi));
      gj = exp(-j ^ 2 / (2 * sigma ^ 2)) / (sigma * sqrt(2 * pi));
      kernel(i + half + 1, j + half + 1) = gi * (-j * gj / sigma ^ 2);
    end
  end
  kernel = kernel / sqrt(sum(kernel(:) .^ 2));
  rows = [ones(1, half), 1:size(in, 1), size(in, 1) * ones(1, half)];
  columns = [ones(1, half), 1:size(in, 2), size(in, 2) * ones(1, half)];
  padded = in(rows, columns);  % the border repeated
  out = sqrt(conv2(padded, kernel, 'valid') .^ 2 + conv2(padded, kernel', 'valid') .^ 2);
end

function errors = connectivity_map(pred, target)
  pred = single(pred) / 255;
  target = single(target) / 255;
  steps = 0:0.1:1;
  left_at = -ones(size(pred));
  for k = 2:numel(steps)
    omega = largest_component(pred >= steps(k) & target >= steps(k));
    left_at(left_at == -1 & ! omega) = steps(k - 1);
  end
  left_at(left_at == -1) = 1;
  errors = double(abs(phi(pred - left_at) - phi(target - left_at)));
end

function out = phi(distance)
  out = 1 - distance .* single(distance >= 0.15);
end

function out = largest_component(region)
  % Grown pixel by pixel from seeds in column-major order; a later one must be larger to win.
  out = false(size(region));
  [height, width] = size(region);
  label = zeros(size(region));
  best = 0;
  count = 0;
  for seed = 1:numel(region)
    if ! region(seed) || label(seed)
      continue
    end
    count += 1;
    queue = seed;
    label(seed) = count;
    next = 1;
    while next <= numel(queue)
      row = mod(queue(next) - 1, height) + 1;
      column = floor((queue(next) - 1) / height) + 1;
      next += 1;
      around = [row - 1, column; row + 1, column; row, column - 1; row, column + 1];
      for n = 1:4
        r = around(n, 1);
        c = around(n, 2);
        if r >= 1 && r <= height && c >= 1 && c <= width && region(r, c) && ! label(r, c)
          label(r, c) = count;
          queue(end + 1) = (c - 1) * height + r;
        end
      end
    end
    if numel(queue) > best
      best = numel(queue);
      out = label == count;
    end
  end
end

function out = wave(height, width, a, b, c)  % pseudo-random bytes by a rule anyone can redo
  [column, row] = meshgrid(0:width - 1, 0:height - 1);
  out = uint8(mod(a * row .^ 2 + b * column .^ 2 + c * row .* column + 31 * row + 57 * column, 256));
end

function out = strands(height, width, shift)  % a soft disc with hairs, as foregrounds have them
  [column, row] = meshgrid(0:width - 1, 0:height - 1);
  radius = hypot(row - height / 2, column - width / 2 - shift / 4);
  disc = min(max((height / 3.2 - radius) / 3, 0), 1);
  hair = 0.8 * exp(-(mod(column + shift / 3 + row / 3, 7) - 3) .^ 2 / 1.2) .* (row < height / 2);
  out = uint8(255 * max(disc, hair));
end

function out = trimap_of(target)  % unknown where the alpha is fractional, and one pixel around it
  known = target == 0 | target == 255;
  grown = conv2(double(! known), ones(3), 'same') > 0;
  out = uint8(255 * (target == 255));
  out(grown) = 128;
end

function text = hex(array)
  text = sprintf('%02x', array);
end

h = 24;
w = 29;
all_unknown = uint8(128 * ones(h, w));
third = all_unknown;
third(:, 1:9) = 0;
third(:, 20:end) = 255;
true_alpha = strands(h, w, 0);
ties = uint8(zeros(h, w));  % two equal squares: the one further left comes first, though it lies lower
ties(3:6, 20:23) = 255;
ties(15:18, 5:8) = 255;
fainter = ties;  % so that the choice shows: the right one leaves at a lower threshold
fainter(3:6, 20:23) = 130;
fainter(15:18, 5:8) = 210;
levels = uint8(repmat(round(linspace(0, 255, w)), h, 1));
exact = uint8(zeros(h, w));
exact(:) = [0 51 102 153 204 255](mod(floor((0:h * w - 1) / h), 6) + 1);
cases = {
  'strands', strands(h, w, 4), true_alpha, trimap_of(true_alpha);
  'same', true_alpha, true_alpha, trimap_of(true_alpha);
  'bytes', wave(h, w, 7, 13, 5), wave(h, w, 11, 3, 9), all_unknown;
  'bytes partly known', wave(h, w, 7, 13, 5), wave(h, w, 11, 3, 9), third;
  'ramp against strands', levels, true_alpha, third;
  'exact thresholds', exact, levels, all_unknown;
  'gray level 153', uint8(153 * ones(h, w)), uint8(255 * ones(h, w)), all_unknown;
  'two equal components', ties, fainter, all_unknown;
  'empty prediction', uint8(zeros(h, w)), true_alpha, trimap_of(true_alpha);
  'full prediction', uint8(255 * ones(h, w)), true_alpha, trimap_of(true_alpha);
  'empty and full', uint8(zeros(h, w)), uint8(255 * ones(h, w)), all_unknown;
  'constant', uint8(90 * ones(h, w)), uint8(120 * ones(h, w)), all_unknown;
};
printf('{"height": %d, "width": %d, "cases": {\n', h, w);
for n = 1:rows(cases)
  s = score(cases{n, 2}, cases{n, 3}, cases{n, 4});
  names = fieldnames(s);
  values = cellfun(@(name) sprintf('"%s": %.12g', name, s.(name)), names, 'UniformOutput', false);
  printf('"%s": {"alpha_pred": "%s", "alpha_true": "%s", "trimap": "%s", "scores": {%s}}%s\n', cases{n, 1}, ...
    hex(cases{n, 2}), hex(cases{n, 3}), hex(cases{n, 4}), strjoin(values, ', '), repmat(',', 1, n < rows(cases)));
end
printf('}}\n');
