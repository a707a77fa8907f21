# The winner enqueues the task whether it was idle or not.
s/run_state = ACTIVE; enqueue = true :: else -> skip fi/run_state = ACTIVE; enqueue = true :: else -> enqueue = true fi/
