"""The protocol: `featdsl/v1/*.proto`, and what protoc makes of it (`python -m online.proto.generate`)."""
