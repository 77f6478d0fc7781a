#include "certificates.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>

namespace computesdk::simulators {
namespace {

void extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

X509* build(const std::string& name, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuerKey, long serial, int days) {
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600L * 24 * 30);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600L * 24 * days);
  X509_set_pubkey(certificate, key);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1,
                             0);
  X509* signer = issuer == nullptr ? certificate : issuer;
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));
  extend(certificate, signer, NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  if (issuer != nullptr) extend(certificate, signer, NID_subject_alt_name, "DNS:" + name);
  X509_sign(certificate, issuerKey, EVP_sha256());
  return certificate;
}

template <class Write>
void save(const std::string& file, Write write) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(file.c_str(), "we"), std::fclose);
  if (!out || write(out.get()) != 1) throw std::runtime_error("cannot write " + file);
}

}  // namespace

Certificates::Certificates() {
  std::string pattern = (std::filesystem::temp_directory_path() / "csdk-certs-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no folder for certificates");
  folder_ = pattern;
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* authority = build("Test authority", key, nullptr, key, serial_++, 1);
  authority_ = authority;
  authorityKey_ = key;
  save(authorityFile(), [&](std::FILE* out) { return PEM_write_X509(out, authority); });
}

Certificates::~Certificates() {
  X509_free(static_cast<X509*>(authority_));
  EVP_PKEY_free(static_cast<EVP_PKEY*>(authorityKey_));
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

Certificates::Pair Certificates::make(const std::string& name, int days) {
  const std::string base = folder_ + "/" + std::to_string(serial_);
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate =
      build(name, key, static_cast<X509*>(authority_), static_cast<EVP_PKEY*>(authorityKey_), serial_++, days);
  const Pair pair{base + ".pem", base + ".key"};
  save(pair.certificateFile, [&](std::FILE* out) { return PEM_write_X509(out, certificate); });
  save(pair.keyFile,
       [&](std::FILE* out) { return PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr); });
  X509_free(certificate);
  EVP_PKEY_free(key);
  return pair;
}

}  // namespace computesdk::simulators
