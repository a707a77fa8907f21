# An unlock calls another while one is called.
/^inline pass_on/,/^}/s/:: called -> atomic/:: false -> atomic/
