# bench/<name>_bench.cpp makes bench_<name>, optimised even in a debug configuration of the rest; `benches` is all of them.
find_package(benchmark REQUIRED)

file(GLOB benches CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*_bench.cpp")
add_custom_target(benches)
foreach(bench IN LISTS benches)
  get_filename_component(stem "${bench}" NAME_WE)
  string(REGEX REPLACE "_bench$" "" name "${stem}")
  add_executable(bench_${name} "${bench}")
  target_link_libraries(bench_${name} PRIVATE quiesce quiesce_lab benchmark::benchmark benchmark::benchmark_main)
  target_compile_options(bench_${name} PRIVATE -O3)
  quiesce_warnings(bench_${name})
  add_dependencies(benches bench_${name})
endforeach()

add_subdirectory("${PROJECT_SOURCE_DIR}/bench/workloads")
add_dependencies(benches bench_workloads)
