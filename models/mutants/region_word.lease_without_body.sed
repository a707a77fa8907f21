# A lease is taken whether the body is live or not: nobody comes for what is left of it.
s/if :: body_live -> taken = LEASE :: taken = 1 fi/taken = LEASE/
