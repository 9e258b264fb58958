"""The text tower while it learns: phrases cut to their length, and words put where the head has them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from torch import Tensor

from erkd.teachers.prompts import TEMPLATES
from erkd.teachers.words import with_article, words

CONFIG = {"context_length": 24, "vocab_size": 49408, "width": 256, "heads": 4, "layers": 1, "mlp_ratio": 8.0}
TOKENIZER = open_clip.SimpleTokenizer(context_length=CONFIG["context_length"])
WORDS = 96  # of the thousand in a step
ERRORS = 200.0  # weight of squared errors of cosines, which are small
SCALE = 20.0  # of cosines, where a word is told from all others
RIDGE = 0.01  # of the mean square of a hidden unit


def encode(model: Any, phrases: Sequence[str]) -> Tensor:
    """Embeddings K x D of phrases, as `model.encode_text` gives them for its whole context, in less time.

    Under the causal mask nothing behind a phrase's end counts, so no step need be run beyond the longest.
    """
    return _encode(model, TOKENIZER(list(phrases)))


def _encode(model: Any, tokens: Tensor) -> Tensor:
    tower = model.text
    tokens = tokens.to(tower.token_embedding.weight.device)
    length, whole = int((tokens != 0).sum(dim=1).max()), tower.attn_mask
    tower.attn_mask = whole[:length, :length]
    try:
        return model.encode_text(tokens[:, :length])
    finally:
        tower.attn_mask = whole


@torch.no_grad()
def start_tokens(model: Any, directions: Tensor) -> None:
    """Give every token of a word's name the mean of the `directions` (1000 x W) of all words that it is part of.

    So the tower starts with words that mean something, and names that share a token, as terriers do, lie near
    each other. The scale stays that of the tower's random tokens.
    """
    weight = model.text.token_embedding.weight
    ids = TOKENIZER(list(words())).to(weight.device)
    word, place = torch.nonzero((ids != 0) & (ids < TOKENIZER.sot_token_id), as_tuple=True)
    tokens, row = ids[word, place].unique(return_inverse=True)
    sums = torch.zeros(len(tokens), directions.shape[1]).to(weight).index_add_(0, row, directions[word])
    means = sums / row.bincount()[:, None]
    width = min(means.shape[1], weight.shape[1])
    weight[tokens, :width] = means[:, :width] * (weight.std() / means.std())


def word_loss(model: Any, directions: Tensor, embeddings: Tensor, random: np.random.Generator) -> Tensor:
    """How far some words, said by a template at random, are from their own direction and from the others'.

    One less the mean cosine; the cross-entropy of each among all thousand; and the squared error of their cosines
    to images, which `embeddings` B x D are of: an error that no image sees does not count there, one that all see
    counts for all. `directions` 1000 x W span the first dimensions of the joint space; a word has nothing in the
    others.
    """
    names = words()
    chosen = random.permutation(len(names))[:WORDS]
    template = TEMPLATES[random.integers(len(TEMPLATES))]
    texts = F.normalize(encode(model, [template.format(with_article(names[i])) for i in chosen]), dim=1)
    cosines, own = texts[:, : directions.shape[1]] @ directions.T, torch.from_numpy(chosen).to(texts.device)
    wanted = F.pad(directions[own], (0, texts.shape[1] - directions.shape[1]))
    errors = (texts - wanted) @ F.normalize(embeddings.detach(), dim=1).T
    apart = 1 - cosines.gather(1, own[:, None]).mean() + F.cross_entropy(SCALE * cosines, own)
    return apart + ERRORS * errors.square().mean()


@torch.no_grad()
def put_words(model: Any, directions: Tensor, others: Sequence[str]) -> None:
    """Put every word, in every template, as near its direction as least squares can, and leave `others` in place.

    What the tower's one block says last is linear in its hidden units h, of which there are more than words:
    embeddings, up to their length, are those of now plus W h. W is the smallest by ridge regression that gives the
    words what they lack and the other phrases nothing; it is written into the block's last weights.
    `directions` 1000 x D' are the words' first dimensions, as in `word_loss`.
    """
    tower: Any = model.text
    layer, norm = tower.transformer.resblocks[-1].mlp.c_proj, tower.ln_final
    names = [template.format(with_article(word)) for template in TEMPLATES for word in words()]
    taken = set(names)
    hidden, found = _last_states(model, [*names, *(phrase for phrase in others if phrase not in taken)])
    wanted = F.pad(directions, (0, found.shape[1] - directions.shape[1])).double().repeat(len(TEMPLATES), 1)
    lacking = torch.zeros_like(found)
    lacking[: len(names)] = wanted * found[: len(names)].norm(dim=1).mean() - found[: len(names)]
    square = hidden.T @ hidden
    square += RIDGE * square.diagonal().mean() * torch.eye(len(square)).to(square)
    added = torch.linalg.solve(square, hidden.T @ lacking)
    projection = norm.weight.double()[:, None] * tower.text_projection.double()
    added = added @ torch.linalg.pinv(projection - projection.mean(dim=0))
    layer.weight += added[:-1].T.to(layer.weight)
    layer.bias += added[-1].to(layer.bias)


def _last_states(model: Any, phrases: Sequence[str]) -> tuple[Tensor, Tensor]:
    """At the end of each phrase: the last block's hidden units and a one, and the embedding before it is scaled."""
    tower = model.text
    states: dict[Any, Tensor] = {}

    def record(layer: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        states[layer] = inputs[0]

    layers = (tower.transformer.resblocks[-1].mlp.c_proj, tower.ln_final)
    hooks = [layer.register_forward_hook(record) for layer in layers]
    hidden, found = [], []
    for start in range(0, len(phrases), 256):
        tokens = TOKENIZER(list(phrases[start : start + 256]))
        embeddings, rows, ends = _encode(model, tokens), torch.arange(len(tokens)), tokens.argmax(dim=1)
        units, sums = (states[layer][rows, ends].double() for layer in layers)
        hidden.append(F.pad(units, (0, 1), value=1.0))
        found.append(embeddings * sums.std(dim=1, correction=0)[:, None])
    for hook in hooks:
        hook.remove()
    return torch.cat(hidden), torch.cat(found)
