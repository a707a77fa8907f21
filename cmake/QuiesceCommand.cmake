# The `quiesce` command: tools/quiesce/*.cpp, with the page of `quiesce view` (tools/quiesce/view) made into a source file.
find_package(CLI11 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)

set(folder "${PROJECT_SOURCE_DIR}/tools/quiesce")
set(page_names page.html page.css model.js chart.js overview.js panels.js page.js)
list(TRANSFORM page_names PREPEND "${folder}/view/" OUTPUT_VARIABLE page_files)
set(page_source "${PROJECT_BINARY_DIR}/generated/page_files.cpp")
add_custom_command(
  OUTPUT "${page_source}"
  COMMAND "${CMAKE_COMMAND}" "-DOUTPUT=${page_source}" "-DFILES=${page_files}" -P "${PROJECT_SOURCE_DIR}/cmake/EmbedPage.cmake"
  DEPENDS ${page_files} "${PROJECT_SOURCE_DIR}/cmake/EmbedPage.cmake"
  VERBATIM
)

file(GLOB sources CONFIGURE_DEPENDS "${folder}/*.cpp")
add_executable(quiesce_command ${sources} "${page_source}")
set_target_properties(quiesce_command PROPERTIES OUTPUT_NAME quiesce)
target_include_directories(quiesce_command PRIVATE "${folder}")
target_compile_definitions(quiesce_command PRIVATE QUIESCE_VERSION="${PROJECT_VERSION}")
target_link_libraries(quiesce_command PRIVATE quiesce_lab CLI11::CLI11 nlohmann_json::nlohmann_json fmt::fmt)
quiesce_warnings(quiesce_command)
install(TARGETS quiesce_command RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")

# What the command's own tests hunt in; nothing builds it unasked.
if(QUIESCE_BUILD_TESTS)
  find_package(GTest REQUIRED)
  foreach(program planted planted_changed)
    add_executable(${program} EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/tests/command/planted.cpp")
    target_link_libraries(${program} PRIVATE quiesce_lab GTest::gtest GTest::gtest_main)
    quiesce_warnings(${program})
  endforeach()
  target_compile_options(planted_changed PRIVATE -include "${PROJECT_SOURCE_DIR}/tests/command/added_above.hpp")
endif()
