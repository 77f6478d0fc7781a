#include "sqlite/file.hpp"

#include <Poco/Data/SQLite/Connector.h>
#include <Poco/Data/Statement.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace computesdk::store::sqlite {
namespace {

using Poco::Data::Session;
using namespace Poco::Data::Keywords;

/// The file, made with mode 0600 before SQLite makes it with another, and locked while the tables are set up: turning
/// WAL on is the one step for which SQLite does not wait.
class SetupLock {
 public:
  explicit SetupLock(const std::string& file) {
    const int made = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (made < 0) throw std::system_error(errno, std::generic_category(), file);
    // SQLite would wait for ever at a FIFO.
    struct stat info {};
    const bool regular = ::fstat(made, &info) == 0 && S_ISREG(info.st_mode);
    ::close(made);
    if (!regular) throw std::runtime_error(file + " is not a regular file");
    // A file of its own: SQLite's locks on the database end when any descriptor of it is closed.
    const std::string lock = file + ".lock";
    fd_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), lock);
    while (::flock(fd_, LOCK_EX) != 0) {
      if (errno == EINTR) continue;
      const int error = errno;
      ::close(fd_);
      throw std::system_error(error, std::generic_category(), lock);
    }
  }
  SetupLock(const SetupLock&) = delete;
  SetupLock& operator=(const SetupLock&) = delete;
  ~SetupLock() { ::close(fd_); }

 private:
  int fd_ = -1;
};

void migrate(Session& session, std::span<const Migration> migrations) {
  session << "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)", now;
  int version = 0;
  session << "SELECT COALESCE(MAX(version), 0) FROM schema_version", into(version), now;
  const int newest = static_cast<int>(migrations.size());
  if (version > newest) throw std::runtime_error("it was written by a later version of this product");
  for (; version < newest; ++version) {
    Transaction transaction(session);
    for (const char* statement : migrations[static_cast<std::size_t>(version)]) session << statement, now;
    int reached = version + 1;
    session << "INSERT INTO schema_version (version) VALUES (?)", use(reached), now;
    transaction.commit();
  }
}

}  // namespace

Transaction::Transaction(Session& session) : session_(session) { session_ << "BEGIN IMMEDIATE", now; }

Transaction::~Transaction() {
  if (done_) return;
  try {
    session_ << "ROLLBACK", now;
  } catch (...) {  // the connection is broken then, and what it had begun is undone by the next one
  }
}

void Transaction::commit() {
  session_ << "COMMIT", now;
  done_ = true;
}

Session openFile(const std::string& file, std::span<const Migration> migrations, int busyMs) {
  [[maybe_unused]] static const bool registered = (Poco::Data::SQLite::Connector::registerConnector(), true);
  const SetupLock lock(file);
  Session session(Poco::Data::SQLite::Connector::KEY, file);
  session << "PRAGMA busy_timeout = " + std::to_string(busyMs), now;
  std::string mode;
  session << "PRAGMA journal_mode = WAL", into(mode), now;
  // What a power failure may cost is the last few writes; the file stays sound.
  session << "PRAGMA synchronous = NORMAL", now;
  migrate(session, migrations);
  return session;
}

}  // namespace computesdk::store::sqlite
