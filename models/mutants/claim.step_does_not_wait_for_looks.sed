# The resumed task goes on although somebody looks at its wait.
s/if :: seen -> (!looked_at) :: else -> skip fi;/skip;/
