# An unlock that loses its claim does not ask the next.
/^inline pass_on/,/^}/s/:: won -> break/:: won || next != 0 -> break/
