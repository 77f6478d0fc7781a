#pragma once

#include <string>

namespace computesdk::simulators {

/// A test authority and certificates by it, made at run time in a folder that goes away with the object.
class Certificates {
 public:
  Certificates();
  ~Certificates();
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  struct Pair {
    std::string certificateFile, keyFile;
  };
  /// For a DNS name. `days` below 0: it has expired.
  Pair make(const std::string& name, int days = 1);
  [[nodiscard]] std::string authorityFile() const { return folder_ + "/ca.pem"; }

 private:
  std::string folder_;
  void* authority_ = nullptr;     ///< X509
  void* authorityKey_ = nullptr;  ///< EVP_PKEY
  long serial_ = 1;
};

}  // namespace computesdk::simulators
