# ccache and a fast linker, each used when it is there and nobody chose otherwise. Only for a build of quiesce itself:
# a project that adds quiesce as a subdirectory keeps its own choices.
if(NOT CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR)
  return()
endif()

if(NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(QUIESCE_CCACHE ccache)
  if(QUIESCE_CCACHE)
    # Precompiled headers need the sloppiness; without it ccache never hits for the tests.
    set(CMAKE_CXX_COMPILER_LAUNCHER
        "${CMAKE_COMMAND};-E;env;CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime;${QUIESCE_CCACHE}"
        CACHE STRING "Compiler launcher"
    )
  endif()
endif()

# mold first, then lld; g++ 12 and clang both take -fuse-ld=<name>.
find_program(QUIESCE_MOLD mold)
find_program(QUIESCE_LLD NAMES ld.lld)
if(QUIESCE_MOLD)
  add_link_options(-fuse-ld=mold)
elseif(QUIESCE_LLD)
  add_link_options(-fuse-ld=lld)
endif()
