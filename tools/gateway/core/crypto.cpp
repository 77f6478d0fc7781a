#include "core/crypto.hpp"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <array>
#include <stdexcept>

namespace computesdk::gateway {
namespace {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using ContextPtr = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;
using SignaturePtr = std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG_free>>;
using BioPtr = std::unique_ptr<BIO, Deleter<BIO_free_all>>;

constexpr std::size_t kHalf = 32;
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const unsigned char* bytesOf(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(std::string(what) + " failed");
}

int base64Value(char c) {
  const std::size_t at = kAlphabet.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

}  // namespace

std::string randomBytes(std::size_t bytes) {
  std::string out(bytes, '\0');
  require(RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(bytes)) == 1, "RAND_bytes");
  return out;
}

std::string hex(std::string_view data) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(data.size() * 2);
  for (const char c : data) {
    const auto byte = static_cast<unsigned char>(c);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string randomHex(std::size_t bytes) { return hex(randomBytes(bytes)); }

std::string sha256(std::string_view data) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  require(EVP_Digest(data.data(), data.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1, "EVP_Digest");
  return {reinterpret_cast<const char*>(digest.data()), size};
}

std::string sha256Hex(std::string_view data) { return hex(sha256(data)); }

std::string hmacSha256Hex(std::string_view key, std::string_view data) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  require(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytesOf(data), data.size(), digest.data(),
               &size) != nullptr,
          "HMAC");
  return hex({reinterpret_cast<const char*>(digest.data()), size});
}

bool constantTimeEquals(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string base64Url(std::string_view data) {
  std::string out;
  out.reserve((data.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < data.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, data.size() - at);
    unsigned int group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < count ? static_cast<unsigned char>(data[at + i]) : 0U);
    }
    for (std::size_t i = 0; i <= count; ++i) out += kAlphabet[group >> (18 - 6 * i) & 63];
  }
  return out;
}

std::optional<std::string> fromBase64Url(std::string_view text) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(text.size() * 3 / 4);
  unsigned int group = 0;
  int bits = 0;
  for (const char c : text) {
    const int value = base64Value(c);
    if (value < 0) return std::nullopt;
    group = group << 6 | static_cast<unsigned int>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>(group >> bits & 255);
  }
  // Left-over bits are zero in what an encoder writes; otherwise one value would have several spellings.
  if ((group & ((1U << bits) - 1)) != 0) return std::nullopt;
  return out;
}

struct SigningKey::State {
  KeyPtr key;
};

SigningKey::SigningKey(std::unique_ptr<State> state) : state_(std::move(state)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

SigningKey SigningKey::generate() {
  auto state = std::make_unique<State>();
  state->key.reset(EVP_EC_gen("P-256"));
  require(state->key != nullptr, "EVP_EC_gen");
  return SigningKey(std::move(state));
}

Result<SigningKey> SigningKey::fromPem(std::string_view pem) {
  auto state = std::make_unique<State>();
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (bio) state->key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  std::array<char, 64> group{};
  std::size_t length = 0;
  if (!state->key || EVP_PKEY_get_base_id(state->key.get()) != EVP_PKEY_EC ||
      EVP_PKEY_get_group_name(state->key.get(), group.data(), group.size(), &length) != 1 ||
      std::string_view(group.data(), length) != "prime256v1") {
    ErrorInfo error;
    error.code = ErrorCode::config;
    error.what = "cannot use the key that signs access tokens";
    error.why = "it is no private P-256 key in PEM";
    error.fix = "make one: openssl ecparam -name prime256v1 -genkey -noout -out token-key.pem";
    return error;
  }
  return SigningKey(std::move(state));
}

std::string SigningKey::pem() const {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  require(bio && PEM_write_bio_PrivateKey(bio.get(), state_->key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
          "PEM_write_bio_PrivateKey");
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string SigningKey::sign(std::string_view data) const {
  const ContextPtr context(EVP_MD_CTX_new());
  std::size_t size = 0;
  require(context && EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, state_->key.get()) == 1 &&
              EVP_DigestSign(context.get(), nullptr, &size, bytesOf(data), data.size()) == 1,
          "EVP_DigestSignInit");
  std::string der(size, '\0');
  require(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(der.data()), &size, bytesOf(data),
                         data.size()) == 1,
          "EVP_DigestSign");
  const unsigned char* at = bytesOf(der);
  const SignaturePtr parsed(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
  require(parsed != nullptr, "d2i_ECDSA_SIG");
  std::string out(2 * kHalf, '\0');
  auto* bytes = reinterpret_cast<unsigned char*>(out.data());
  require(BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), bytes, kHalf) == kHalf &&
              BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), bytes + kHalf, kHalf) == kHalf,
          "BN_bn2binpad");
  return out;
}

bool SigningKey::verify(std::string_view data, std::string_view signature) const noexcept {
  if (signature.size() != 2 * kHalf) return false;
  const SignaturePtr parsed(ECDSA_SIG_new());
  if (!parsed) return false;
  BIGNUM* r = BN_bin2bn(bytesOf(signature), kHalf, nullptr);
  BIGNUM* s = BN_bin2bn(bytesOf(signature.substr(kHalf)), kHalf, nullptr);
  if (r == nullptr || s == nullptr || ECDSA_SIG_set0(parsed.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return false;
  }
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(parsed.get(), &der);
  const ContextPtr context(EVP_MD_CTX_new());
  const bool good =
      size > 0 && context &&
      EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, state_->key.get()) == 1 &&
      EVP_DigestVerify(context.get(), der, static_cast<std::size_t>(size), bytesOf(data), data.size()) == 1;
  OPENSSL_free(der);
  return good;
}

}  // namespace computesdk::gateway
