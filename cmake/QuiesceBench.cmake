# Optimised even in a debug configuration of the rest:
#   bench/<name>_bench.cpp, bench/parts/<name>_bench.cpp  on Google Benchmark, make bench_<name>; `benches` is all of them
#   bench/<name>_workloads.cpp                            makes <name>_workloads, the program behind the script bench/<name>
find_package(benchmark REQUIRED)

function(quiesce_bench target source)
  add_executable(${target} "${source}")
  target_link_libraries(${target} PRIVATE quiesce ${ARGN})
  target_compile_options(${target} PRIVATE -O3)
  quiesce_warnings(${target})
endfunction()

file(GLOB benches CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*_bench.cpp" "${PROJECT_SOURCE_DIR}/bench/parts/*_bench.cpp")
add_custom_target(benches)
foreach(bench IN LISTS benches)
  get_filename_component(stem "${bench}" NAME_WE)
  string(REGEX REPLACE "_bench$" "" name "${stem}")
  quiesce_bench(bench_${name} "${bench}" quiesce_lab benchmark::benchmark benchmark::benchmark_main)
  add_dependencies(benches bench_${name})
endforeach()

add_subdirectory("${PROJECT_SOURCE_DIR}/bench/workloads")
add_dependencies(benches bench_workloads)

file(GLOB workloads CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*_workloads.cpp")
foreach(source IN LISTS workloads)
  get_filename_component(name "${source}" NAME_WE)
  quiesce_bench(${name} "${source}")
  add_dependencies(benches ${name})
endforeach()
