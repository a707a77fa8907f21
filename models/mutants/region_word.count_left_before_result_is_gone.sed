# An ending task leaves its count as a spare, and only then destroys a result that nobody holds a handle of.
s/if :: !dies -> atomic { assert(gen == mine); alive\[mine\]--; spare/if :: true -> atomic { if :: !dies -> alive[mine]-- :: else -> skip fi; spare/
