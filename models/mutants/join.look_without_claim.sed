# The look sees the end and goes on, without claiming the wait: somebody else may have enqueued the joiner.
s/:: target == DONE -> claim(who, wait, false, won, slept);/:: target == DONE -> run_state[who] = ACTIVE; won = true; slept = true;/
