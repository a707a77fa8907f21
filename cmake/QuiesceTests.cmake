# One binary per folder of tests, made when the folder has files; each is one entry of ctest, labelled by its part.
find_package(GTest REQUIRED)
find_package(rapidcheck REQUIRED)

set(test_frameworks GTest::gmock GTest::gtest GTest::gtest_main rapidcheck rapidcheck_gtest)

if(QUIESCE_TEST_PCH)
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/test_pch.cpp" CONTENT "// Carries the precompiled headers of the tests.\n")
  add_library(quiesce_test_pch OBJECT EXCLUDE_FROM_ALL "${PROJECT_BINARY_DIR}/test_pch.cpp")
endif()

# Instrumented tests take twice as long to compile when optimised, and gain nothing by it: the library under them is.
function(quiesce_test_optimization target)
  if(QUIESCE_SANITIZE)
    target_compile_options(${target} PRIVATE -O0)
  endif()
endfunction()

# Everything that the compiler sees must be the same for the carrier and its users, or the headers are not reused.
function(quiesce_test_flags target)
  target_link_libraries(${target} PRIVATE quiesce ${test_frameworks})
  if(TARGET quiesce_testing)
    target_link_libraries(${target} PRIVATE quiesce_testing)
  endif()
  if(TARGET quiesce_lab)
    target_link_libraries(${target} PRIVATE quiesce_lab)
  endif()
  if(TARGET quiesce_prometheus)
    target_link_libraries(${target} PRIVATE quiesce_prometheus quiesce::prometheus_cpp)
    target_compile_definitions(${target} PRIVATE QUIESCE_TEST_PROMETHEUS=1)
  endif()
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/tests")
  quiesce_test_optimization(${target})
  # Without a time stamp in clang's precompiled headers, ccache finds what was compiled with them before.
  target_compile_options(${target} PRIVATE "$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>")
  quiesce_warnings(${target})
endfunction()

if(QUIESCE_TEST_PCH)
  quiesce_test_flags(quiesce_test_pch)
  target_precompile_headers(quiesce_test_pch PRIVATE <gtest/gtest.h> <rapidcheck.h> <rapidcheck/gtest.h>)
endif()

# FROM: with the tests of another folder as well, and DEFINE for all of them.
function(quiesce_test_binary folder timeout_s)
  cmake_parse_arguments(PARSE_ARGV 2 other "" "FROM;DEFINE" "")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${folder}/*_test.cpp")
  if(NOT sources)
    return()
  endif()
  # Helpers shared by the tests of one folder are the folder's other sources.
  file(GLOB_RECURSE helpers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${folder}/*_support.cpp")
  set(target ${folder}_tests)
  if(other_FROM)
    file(GLOB_RECURSE other_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${other_FROM}/*_test.cpp")
    list(APPEND sources ${other_sources})
  endif()
  add_executable(${target} ${sources} ${helpers})
  quiesce_test_flags(${target})
  if(other_DEFINE)
    target_compile_definitions(${target} PRIVATE ${other_DEFINE})
  endif()
  if(QUIESCE_TEST_PCH)
    target_precompile_headers(${target} REUSE_FROM quiesce_test_pch)
  endif()
  add_test(NAME ${folder} COMMAND ${target} --gtest_brief=1)
  set_tests_properties(${folder} PROPERTIES LABELS ${folder} TIMEOUT ${timeout_s})
endfunction()

# The corpus of bugs: its tests are among those of the lab, and corpus_table prints what docs/lab.md shows of it.
file(GLOB corpus CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/lab/corpus/corpus.cpp" "${PROJECT_SOURCE_DIR}/tests/lab/corpus/bugs/*.cpp")
add_library(lab_corpus OBJECT ${corpus})
add_executable(corpus_table EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/tests/lab/corpus/table.cpp")
foreach(target lab_corpus corpus_table)
  target_link_libraries(${target} PRIVATE quiesce quiesce_lab)
  quiesce_test_optimization(${target})
  quiesce_warnings(${target})
endforeach()
target_link_libraries(corpus_table PRIVATE lab_corpus fmt::fmt)

# What the gdb script is tried on; nothing builds it unasked. A debugger reads the types of records from a user's own program.
add_executable(waiting EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/tests/diagnostics/waiting.cpp")
target_link_libraries(waiting PRIVATE quiesce)
target_compile_options(waiting PRIVATE -g)
quiesce_warnings(waiting)

quiesce_test_binary(unit 900)
quiesce_test_binary(semantics 900)
quiesce_test_binary(coroutine_forms 900)
quiesce_test_binary(lab 1800)
target_link_libraries(lab_tests PRIVATE lab_corpus)
quiesce_test_binary(stress 1800)
# The sources of semantics once more: the lab runs each test under many schedules.
quiesce_test_binary(semantics_lab 1800 FROM semantics DEFINE QUIESCE_SEMANTICS_IN_LAB)

if(EXISTS "${PROJECT_SOURCE_DIR}/tests/compile_fail/run.sh")
  add_test(NAME compile_fail COMMAND bash "${PROJECT_SOURCE_DIR}/tests/compile_fail/run.sh" "${CMAKE_CXX_COMPILER}")
  set_tests_properties(compile_fail PROPERTIES LABELS compile_fail TIMEOUT 900)
endif()
