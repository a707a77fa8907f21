// What owns its data, and what may be shared.
#include "library.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <exception>
#include <expected>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <tuple>
#include <variant>
#include <vector>

enum class Color { Red };
int free_function(int);
struct Plain {
  int id = 0;
  std::string name;
  int sizes[4] = {};
  unsigned flag : 1 = 0;
};
struct Tree {
  std::string name;
  std::vector<Tree> children;
  std::unique_ptr<Tree> next;
};

void test(q::Cx cx, q::Scope<>& scope) {
  (void)scope.spawn(
      cx, [](q::Cx, auto...) -> q::Task<> { co_return; }, 1, 2.5, true, Color::Red, nullptr, std::string("a"),
      std::vector<std::string>(2), std::map<int, std::string>(), std::optional<int>(1),
      std::variant<int, std::string>(), std::pair<int, std::string>(), std::tuple<int, std::string>(),
      std::array<int, 3>{}, std::expected<int, std::string>(1), std::chrono::seconds(1),
      std::filesystem::path("a"), std::thread::id(), std::exception_ptr(), std::error_code());
  (void)scope.spawn(
      cx, [](q::Cx, auto...) -> q::Task<> { co_return; }, std::make_unique<int>(1),
      std::shared_ptr<const int>(), std::weak_ptr<const std::string>(), std::shared_ptr<std::atomic<int>>(),
      std::shared_ptr<std::mutex>(), &free_function, &Plain::id, Plain{}, Tree{}, [] { return 1; }, cx);
}
