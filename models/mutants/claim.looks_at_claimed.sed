# A looker sets the bit without asking whether the wait has been claimed: the task may be on its way past the question.
s/if :: run_state == IDLE \&\& PENDING \&\& epoch == e/if :: armed \&\& epoch == e/
