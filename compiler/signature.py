"""The contract with a model: its tensors, their types and shapes."""

from __future__ import annotations

from dataclasses import dataclass

from featdsl.errors import InputError
from featdsl.program import Column, Model, ModelInput


@dataclass(frozen=True, slots=True)
class TensorSignature:
    """One tensor that a model takes. `dtype` is the name of a scalar type of the language (`float32`);
    `shape` is (None,) or (None, k), one row a candidate, or per request (1,) or (1, k)."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    per_request: bool = False
    doc: str = ""


@dataclass(frozen=True, slots=True)
class ModelSignature:
    """What a model takes and gives. `labels` are columns of training data, `outputs` what the model server
    answers, each [n]. Without `has_score` the first output is the score; without `has_keep` all candidates
    stay."""

    name: str
    inputs: tuple[TensorSignature, ...]
    labels: tuple[Column, ...]
    outputs: tuple[Column, ...]
    has_keep: bool
    has_score: bool
    doc: str = ""


def signature_of(model: Model) -> ModelSignature:
    """The signature of a checked model. Errors: `InputError` for an input that has the name of a column that
    the model makes itself (`keep`, `score`)."""
    made = {"keep": model.keep, "score": model.score}
    for tensor in model.inputs:
        if made.get(tensor.name) is not None:
            raise InputError(
                f"an input of model `{model.name}` has the name of its own result: `{tensor.name}`",
                help="give the input another name",
            )
    return ModelSignature(
        model.name,
        tuple(_tensor(tensor) for tensor in model.inputs),
        model.labels,
        model.outputs,
        model.keep is not None,
        model.score is not None,
        model.doc,
    )


def _tensor(tensor: ModelInput) -> TensorSignature:
    rows = 1 if tensor.per_request else None
    shape = (rows,) if tensor.width is None else (rows, tensor.width)
    return TensorSignature(tensor.name, tensor.type.kind.value, shape, tensor.per_request, tensor.doc)
