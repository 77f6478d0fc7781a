#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace computesdk::serving {

/// Names and values of labels, in the order in which they are printed.
using Labels = std::vector<std::pair<std::string, std::string>>;

/// A number that grows. Any thread.
class Counter {
 public:
  void add(std::uint64_t n = 1) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// A number that goes up and down. Any thread.
class Gauge {
 public:
  void add(std::int64_t n) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
  void set(std::int64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// How long things took, in buckets from 1 ms to 30 s. Any thread.
class Histogram {
 public:
  static constexpr double kBounds[] = {0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
  static constexpr std::size_t kBuckets = sizeof(kBounds) / sizeof(kBounds[0]) + 1;

  void observe(double seconds) noexcept;
  [[nodiscard]] std::uint64_t bucket(std::size_t index) const noexcept { return buckets_[index].value(); }
  [[nodiscard]] std::uint64_t count() const noexcept;
  [[nodiscard]] double sum() const noexcept { return static_cast<double>(micros_.value()) / 1e6; }

 private:
  Counter buckets_[kBuckets];
  Counter micros_;
};

/// The numbers of a process as Prometheus reads them. What it hands out lives as long as it does. Any thread. Values of
/// labels must come from a small fixed set: every new one costs a series.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// The series of that name and these labels, made on first use. `help` of the first call counts.
  Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, const Labels& labels = {});
  /// A gauge whose value is asked when it is printed, on the thread that prints.
  void gauge(std::string_view name, std::string_view help, std::function<double()> read);

  /// Text format 0.0.4, for Content-Type "text/plain; version=0.0.4".
  [[nodiscard]] std::string text() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace computesdk::serving
