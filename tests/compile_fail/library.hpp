#pragma once

// What every case includes.

#include <quiesce/runtime.hpp>

#include <string>

namespace q = quiesce;
