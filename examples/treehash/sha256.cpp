#include "sha256.hpp"

#include <openssl/evp.h>

#include <stdexcept>

namespace treehash {
namespace {

void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(std::string("OpenSSL refuses ") + what);
}

/// Fetched once: OpenSSL 3 looks an algorithm up by name at each use otherwise, under a lock.
const EVP_MD* algorithm() {
  struct Free {
    void operator()(EVP_MD* md) const noexcept { EVP_MD_free(md); }
  };
  static const std::unique_ptr<EVP_MD, Free> fetched(EVP_MD_fetch(nullptr, "SHA256", nullptr));
  require(fetched != nullptr, "SHA256");
  return fetched.get();
}

}  // namespace

std::string to_hex(const Digest& digest) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * digest.size());
  for (const unsigned char byte : digest) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

void Sha256::Free::operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) { require(context_ != nullptr, "a context"); }

void Sha256::start() { require(EVP_DigestInit_ex2(context_.get(), algorithm(), nullptr) == 1, "to start"); }

void Sha256::update(std::span<const std::byte> bytes) {
  require(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1, "data");
}

Digest Sha256::finish() {
  Digest digest;
  require(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1, "to finish");
  return digest;
}

}  // namespace treehash
