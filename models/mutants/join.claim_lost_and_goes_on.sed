# The look claims, and goes on whether the claim was won or lost.
s/:: won -> assert(slept); resume(who) :: else -> skip fi .*goes on.*$/:: true -> resume(who) fi/
