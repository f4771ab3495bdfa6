"""What can be seen of the server from outside: metrics, traces, slow calls, logs."""
