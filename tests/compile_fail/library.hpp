// What every case includes. It is precompiled, as a main file, where `#pragma once` would be warned of.
#ifndef COMPILE_FAIL_LIBRARY_HPP
#define COMPILE_FAIL_LIBRARY_HPP

#include <quiesce/runtime.hpp>

#include <string>

namespace q = quiesce;

#endif
