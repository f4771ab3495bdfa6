"""Load for a scoring server that runs: calls at set times, whatever becomes of those before, and what came of them."""
