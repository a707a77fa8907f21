#pragma once
// SHA-256 by OpenSSL.
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

typedef struct evp_md_ctx_st EVP_MD_CTX;

namespace treehash {

using Digest = std::array<unsigned char, 32>;

/// 64 lower-case digits.
std::string to_hex(const Digest& digest);

/// One computation after another; not to be shared between threads. Throws std::runtime_error when OpenSSL refuses.
class Sha256 {
 public:
  Sha256();

  void start();
  void update(std::span<const std::byte> bytes);
  Digest finish();

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const noexcept;
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

}  // namespace treehash
