"""Why a call fails: one reason each, the same on the server, on the wire and in the client."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable, Mapping

import grpc

from featdsl.errors import FeatError

DOMAIN = "featdsl"
DETAILS_KEY = "grpc-status-details-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"
"""Tells a client that retries by itself when to: after so many milliseconds; never, where it is negative."""

_INFO_URL = "type.googleapis.com/google.rpc.ErrorInfo"
_RETRY_URL = "type.googleapis.com/google.rpc.RetryInfo"


class Reason(enum.Enum):
    """Why a call got no answer."""

    MALFORMED_REQUEST = "the bytes are no request"
    UNKNOWN_MODEL = "the server has no such model"
    UNKNOWN_ENTITY = "keys for an entity that the program does not have"
    MISSING_KEY = "no key for an entity of the program"
    BAD_KEY_TYPE = "keys of another type than the entity's"
    BAD_KEY_COUNT = "not one key a request, or not one a candidate"
    UNKNOWN_FIELD = "a field that the program does not have"
    MISSING_FIELD = "no value for a field without a default"
    BAD_FIELD_TYPE = "a value of another type than the field's"
    BAD_COLUMN_LENGTH = "a candidate column that is not one value a candidate"
    TOO_MANY_ITEMS = "more candidates than the server takes in a call"
    DEADLINE_EXCEEDED = "the call's time was up"
    QUEUE_FULL = "too many calls are waiting"
    STORE_DOWN = "the store does not answer"
    NO_MODEL_YET = "no version of the model serves yet"
    MODEL_SERVER_DOWN = "the model server does not answer"
    MODEL_VERSION_GONE = "the model server no longer has the version that serves"
    MODEL_SERVER_FULL = "the model server has too many calls waiting"
    MODEL_FAILED = "the model failed on this call"
    MODEL_REFUSED_INPUTS = "the model server takes other tensors than the program makes"
    CANCELLED = "the caller went away, or the call was ended for it"
    DRAINING = "the server is stopping"
    NO_SERVER = "no scoring server answers"
    INTERNAL = "a fault of the server"

    @property
    def code(self) -> grpc.StatusCode:
        """The gRPC status that it travels under."""
        return _CODES.get(self, grpc.StatusCode.INVALID_ARGUMENT)


_CODES = {
    Reason.UNKNOWN_MODEL: grpc.StatusCode.NOT_FOUND,
    Reason.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.QUEUE_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.STORE_DOWN: grpc.StatusCode.UNAVAILABLE,
    Reason.NO_MODEL_YET: grpc.StatusCode.UNAVAILABLE,
    Reason.MODEL_SERVER_DOWN: grpc.StatusCode.UNAVAILABLE,
    Reason.MODEL_VERSION_GONE: grpc.StatusCode.UNAVAILABLE,
    Reason.MODEL_SERVER_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.MODEL_FAILED: grpc.StatusCode.INTERNAL,
    Reason.MODEL_REFUSED_INPUTS: grpc.StatusCode.INTERNAL,
    Reason.CANCELLED: grpc.StatusCode.CANCELLED,
    Reason.DRAINING: grpc.StatusCode.UNAVAILABLE,
    Reason.NO_SERVER: grpc.StatusCode.UNAVAILABLE,
    Reason.INTERNAL: grpc.StatusCode.INTERNAL,
}

_ASKING_AGAIN_IS_USELESS = frozenset(
    {Reason.STORE_DOWN, Reason.NO_MODEL_YET, Reason.MODEL_SERVER_DOWN, Reason.MODEL_VERSION_GONE}
)
"""UNAVAILABLE, and so for clients to retry, but in a moment it will be no better: retries would only be load."""

_THE_CALLERS_FAULT = frozenset({grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND})


class CallError(FeatError):
    """A call that gets no answer. `metadata` says what the reason is about: `field`, `model`, `stage`, …
    `retry_after_s`: when it makes sense to ask again, None where the server does not say."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        help: str = "",
        metadata: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, help=help)
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.retry_after_s = retry_after_s
        self.exit_code = 1 if reason.code in _THE_CALLERS_FAULT else 3


def deadline_exceeded(stage: str) -> CallError:
    """The error of a call whose time was up. `stage`: what it was in, or waited for, then."""
    return CallError(
        Reason.DEADLINE_EXCEEDED, f"the call's time was up in the stage: {stage}", metadata={"stage": stage}
    )


def cancelled(stage: str) -> CallError:
    """The error of a call whose caller went away before a stage, or in it."""
    return CallError(
        Reason.CANCELLED, f"the caller went away by the stage: {stage}", metadata={"stage": stage}
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Advice for a name that is not among the known ones."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"there are: {', '.join(names)}" if names else "there are none"


def to_details(error: CallError) -> tuple[tuple[str, bytes | str], ...]:
    """The trailing metadata of a failed call."""
    from google.protobuf.any_pb2 import Any

    from online.proto.error_pb2 import ErrorInfo, RetryInfo, Status

    metadata = {**error.metadata, "help": error.help} if error.help else error.metadata
    info = ErrorInfo(reason=error.reason.name, domain=DOMAIN, metadata=metadata)
    number = int(error.reason.code.value[0])
    details = [Any(type_url=_INFO_URL, value=info.SerializeToString())]
    pushback: tuple[tuple[str, bytes | str], ...] = ()
    if error.retry_after_s is not None:
        micros = round(error.retry_after_s * 1e6)
        retry = RetryInfo(retry_delay={"seconds": micros // 1_000_000, "nanos": micros % 1_000_000 * 1000})
        details.append(Any(type_url=_RETRY_URL, value=retry.SerializeToString()))
        pushback = ((PUSHBACK_KEY, str(max(1, micros // 1000))),)
    elif error.reason in _ASKING_AGAIN_IS_USELESS:
        pushback = ((PUSHBACK_KEY, "-1"),)
    status = Status(code=number, message=error.message, details=details)
    return ((DETAILS_KEY, status.SerializeToString()), *pushback)


def from_call(failed: grpc.RpcError, address: str) -> CallError:
    """What a client's failed call says, typed. Without our details: by its status."""
    for key, value in failed.trailing_metadata() or ():
        if key == DETAILS_KEY:
            found = _from_details(value)
            if found is not None:
                return found
    code, said = failed.code(), failed.details() or ""
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return CallError(Reason.DEADLINE_EXCEEDED, f"no answer in time: {address}")
    if code is grpc.StatusCode.UNAVAILABLE:
        return CallError(
            Reason.NO_SERVER, f"no scoring server answers: {address}", help="start one with `feat serve`"
        )
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return CallError(Reason.NO_SERVER, f"what answers here is no scoring server of this kind: {address}")
    if code is grpc.StatusCode.CANCELLED:
        return CallError(
            Reason.CANCELLED, f"the call was ended without an answer: {address} ({said or 'no reason'})"
        )
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return CallError(Reason.QUEUE_FULL, said or "the server has too many calls waiting")
    return CallError(Reason.INTERNAL, said or f"the call failed: {code.name.lower()}")


def _from_details(value: bytes) -> CallError | None:
    from google.protobuf.message import DecodeError

    from online.proto.error_pb2 import ErrorInfo, RetryInfo, Status

    try:
        status = Status.FromString(value)
        info = next(ErrorInfo.FromString(d.value) for d in status.details if d.type_url == _INFO_URL)
        delays = [
            RetryInfo.FromString(d.value).retry_delay for d in status.details if d.type_url == _RETRY_URL
        ]
    except (DecodeError, StopIteration):
        return None
    metadata = dict(info.metadata)
    help = metadata.pop("help", "")
    reason = Reason.__members__.get(info.reason, Reason.INTERNAL)
    retry_after_s = delays[0].seconds + delays[0].nanos / 1e9 if delays else None
    return CallError(reason, status.message, help=help, metadata=metadata, retry_after_s=retry_after_s)
