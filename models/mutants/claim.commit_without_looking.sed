# The task goes idle without looking whether it was claimed while it registered.
s/atomic { if :: claimed -> skip :: else -> run_state = IDLE fi };/run_state = IDLE;/
