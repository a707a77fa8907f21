#include "library.hpp"

// A case that expects nothing in particular would pass by any error at all.
int broken = "x";
