"""The protocols: ours in `featdsl/v1`, those of other model servers in `featdsl/peers`, and what protoc makes of
them (`python -m online.proto.generate`)."""

SERVICE = "featdsl.v1.Scorer"
MAX_MESSAGE_BYTES = 64 << 20
