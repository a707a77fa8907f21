# One binary per folder of tests, made when the folder has files; each is one entry of ctest, labelled by its part.
find_package(GTest REQUIRED)
find_package(rapidcheck REQUIRED)

set(test_frameworks GTest::gmock GTest::gtest GTest::gtest_main rapidcheck rapidcheck_gtest)

if(QUIESCE_TEST_PCH)
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/test_pch.cpp" CONTENT "// Carries the precompiled headers of the tests.\n")
  add_library(quiesce_test_pch OBJECT EXCLUDE_FROM_ALL "${PROJECT_BINARY_DIR}/test_pch.cpp")
endif()

# Everything that the compiler sees must be the same for the carrier and its users, or the headers are not reused.
function(quiesce_test_flags target)
  target_link_libraries(${target} PRIVATE quiesce ${test_frameworks})
  if(TARGET quiesce_testing)
    target_link_libraries(${target} PRIVATE quiesce_testing)
  endif()
  if(TARGET quiesce_prometheus)
    target_link_libraries(${target} PRIVATE quiesce_prometheus quiesce::prometheus_cpp)
    target_compile_definitions(${target} PRIVATE QUIESCE_TEST_PROMETHEUS=1)
  endif()
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/tests")
  # Without a time stamp in clang's precompiled headers, ccache finds what was compiled with them before.
  target_compile_options(${target} PRIVATE "$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>")
  quiesce_warnings(${target})
endfunction()

if(QUIESCE_TEST_PCH)
  quiesce_test_flags(quiesce_test_pch)
  target_precompile_headers(quiesce_test_pch PRIVATE <gtest/gtest.h> <rapidcheck.h> <rapidcheck/gtest.h>)
endif()

function(quiesce_test_binary folder timeout_s)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${folder}/*_test.cpp")
  if(NOT sources)
    return()
  endif()
  # Helpers shared by the tests of one folder are the folder's other sources.
  file(GLOB_RECURSE helpers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${folder}/*_support.cpp")
  set(target ${folder}_tests)
  add_executable(${target} ${sources} ${helpers})
  quiesce_test_flags(${target})
  if(QUIESCE_TEST_PCH)
    target_precompile_headers(${target} REUSE_FROM quiesce_test_pch)
  endif()
  add_test(NAME ${folder} COMMAND ${target} --gtest_brief=1)
  set_tests_properties(${folder} PROPERTIES LABELS ${folder} TIMEOUT ${timeout_s})
endfunction()

quiesce_test_binary(unit 900)
quiesce_test_binary(semantics 900)
quiesce_test_binary(coroutine_forms 900)
quiesce_test_binary(stress 1800)

if(EXISTS "${PROJECT_SOURCE_DIR}/tests/compile_fail/run.sh")
  add_test(NAME compile_fail COMMAND bash "${PROJECT_SOURCE_DIR}/tests/compile_fail/run.sh" "${CMAKE_CXX_COMPILER}")
  set_tests_properties(compile_fail PROPERTIES LABELS compile_fail TIMEOUT 900)
endif()
