"""The prior: propagation, colour sampling and closed-form matting as differentiable, exportable operations."""
