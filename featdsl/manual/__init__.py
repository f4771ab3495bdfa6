"""The manual: what `feat explain` tells about a code or an operator, and what `make docs` writes to `docs/`."""
