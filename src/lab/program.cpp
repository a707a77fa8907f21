// Which program this process runs, for crash packs.
#include <elf.h>
#include <fmt/format.h>
#include <link.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>

#include "crash_pack.hpp"
#include "fnv.hpp"

namespace quiesce::lab::detail {
namespace {

constexpr const char* executable_link = "/proc/self/exe";
constexpr std::size_t note_alignment = 4;

std::size_t aligned(std::size_t size) { return (size + note_alignment - 1) / note_alignment * note_alignment; }

/// The build id among the notes of a segment; empty: none.
std::string build_id_in(std::string_view notes) {
  while (notes.size() >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes.data(), sizeof note);
    const std::size_t name_at = sizeof note, text_at = name_at + aligned(note.n_namesz);
    const std::size_t end = text_at + aligned(note.n_descsz);
    if (text_at + note.n_descsz > notes.size()) return {};
    if (note.n_type == NT_GNU_BUILD_ID &&
        notes.substr(name_at, note.n_namesz) == std::string_view("GNU\0", 4)) {
      std::string id;
      for (const char byte : notes.substr(text_at, note.n_descsz))
        id += fmt::format("{:02x}", static_cast<unsigned char>(byte));
      return id;
    }
    notes.remove_prefix(std::min(end, notes.size()));
  }
  return {};
}

// The executable is the first that is told.
int take_first(dl_phdr_info* info, std::size_t, void* id) {
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const auto* notes = reinterpret_cast<const char*>(info->dlpi_addr + segment.p_vaddr);
    *static_cast<std::string*>(id) = build_id_in({notes, segment.p_memsz});
    if (!static_cast<std::string*>(id)->empty()) break;
  }
  return 1;
}

std::string hash_of_executable() {
  std::ifstream in(executable_link, std::ios::binary);
  std::uint64_t hash = fnv1a_64({});
  char block[1 << 16];
  do {
    in.read(block, sizeof block);
    hash = fnv1a_64({block, static_cast<std::size_t>(in.gcount())}, hash);
  } while (in);
  return fmt::format("file-{:016x}", hash);
}

std::vector<std::string> own_arguments() {
  std::ifstream in("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> arguments;
  for (std::string argument; std::getline(in, argument, '\0');) arguments.push_back(argument);
  return arguments;
}

std::string filter_of(const std::vector<std::string>& arguments) {
  constexpr std::string_view option = "--gtest_filter=";
  for (const std::string& argument : arguments) {
    if (argument.starts_with(option)) return argument.substr(option.size());
  }
  const char* variable = std::getenv("GTEST_FILTER");
  return variable != nullptr ? variable : "";
}

}  // namespace

Program this_program() {
  Program program;
  std::error_code ignored;
  program.path = std::filesystem::read_symlink(executable_link, ignored).string();
  program.arguments = own_arguments();
  program.gtest_filter = filter_of(program.arguments);
  dl_iterate_phdr(take_first, &program.build_id);
  if (program.build_id.empty()) program.build_id = hash_of_executable();
  return program;
}

}  // namespace quiesce::lab::detail
