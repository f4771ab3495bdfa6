"""The protocol: `featdsl/v1/*.proto`, and what protoc makes of it (`python -m online.proto.generate`)."""

SERVICE = "featdsl.v1.Scorer"
MAX_MESSAGE_BYTES = 64 << 20
