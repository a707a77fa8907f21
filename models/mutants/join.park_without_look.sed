# The joiner parks and does not look at the joined task: one that ended between the announcement and the park has failed to claim it.
s/run_state\[who\] = IDLE; run look(who, epoch\[who\]) fi/run_state[who] = IDLE fi/
