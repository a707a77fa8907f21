# prometheus-cpp's pull part as quiesce::prometheus_cpp. Its own package file asks for the development files of curl and
# zlib, which nothing here uses, so the headers and the two libraries are looked for directly.
find_path(QUIESCE_PROMETHEUS_INCLUDE_DIR prometheus/exposer.h)
find_library(QUIESCE_PROMETHEUS_PULL prometheus-cpp-pull)
find_library(QUIESCE_PROMETHEUS_CORE prometheus-cpp-core)
mark_as_advanced(QUIESCE_PROMETHEUS_INCLUDE_DIR QUIESCE_PROMETHEUS_PULL QUIESCE_PROMETHEUS_CORE)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  QuiescePrometheusCpp REQUIRED_VARS QUIESCE_PROMETHEUS_PULL QUIESCE_PROMETHEUS_CORE QUIESCE_PROMETHEUS_INCLUDE_DIR
)
if(QuiescePrometheusCpp_FOUND AND NOT TARGET quiesce::prometheus_cpp)
  add_library(quiesce::prometheus_cpp INTERFACE IMPORTED)
  target_include_directories(quiesce::prometheus_cpp INTERFACE "${QUIESCE_PROMETHEUS_INCLUDE_DIR}")
  target_link_libraries(quiesce::prometheus_cpp INTERFACE "${QUIESCE_PROMETHEUS_PULL}" "${QUIESCE_PROMETHEUS_CORE}")
endif()
