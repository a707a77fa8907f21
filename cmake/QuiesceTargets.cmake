# Flags shared by all of the project's own targets.

function(quiesce_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow $<$<BOOL:${QUIESCE_WERROR}>:-Werror>)
endfunction()

# Sanitizers change the layout and the allocator's behaviour, so they cover every target or none.
if(QUIESCE_SANITIZE STREQUAL "address")
  set(sanitize_flags -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(QUIESCE_SANITIZE STREQUAL "thread")
  set(sanitize_flags -fsanitize=thread -fno-omit-frame-pointer)
elseif(QUIESCE_SANITIZE)
  message(FATAL_ERROR "QUIESCE_SANITIZE is '${QUIESCE_SANITIZE}': use address, thread, or leave it empty")
endif()
if(QUIESCE_SANITIZE)
  add_compile_options(${sanitize_flags})
  add_link_options(${sanitize_flags})
  # g++ 12 sees maybe-uninitialized reads in coroutine frames that the sanitizers' own instrumentation makes up.
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()
