# The task goes idle without looking whether it was claimed while it registered.
s/slept = PENDING; if :: PENDING -> run_state = IDLE :: else -> skip fi }/slept = true; run_state = IDLE }/
