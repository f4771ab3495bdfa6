"""What commands say of the URL of a registry."""

PLACES = "dir://path, redis://host:6379/0?registry=name, redis+cluster://…, or s3://bucket/prefix"
