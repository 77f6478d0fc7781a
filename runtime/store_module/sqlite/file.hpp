#pragma once

#include <Poco/Data/Session.h>

#include <optional>
#include <span>
#include <string>

namespace computesdk::store::sqlite {

/// One step of a schema: statements that lead from version N-1 to N.
using Migration = std::span<const char* const>;

/// Opens the file (WAL; other processes may have it open, too) and brings its tables to the version that `migrations`
/// lead to; which ones ran is in the table schema_version. The file is made with mode 0600 if need be; its folder must
/// be there. Throws Poco::Exception and std::exception, the latter for a file of a later version.
Poco::Data::Session openFile(const std::string& file, std::span<const Migration> migrations, int busyMs);

/// Undone unless committed. Waits for other writers, as long as the session's busy_timeout says.
class Transaction {
 public:
  explicit Transaction(Poco::Data::Session& session);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  void commit();

 private:
  Poco::Data::Session& session_;
  bool done_ = false;
};

}  // namespace computesdk::store::sqlite
