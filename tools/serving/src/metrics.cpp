#include <computesdk/serving/metrics.hpp>

#include <cinttypes>
#include <cstdio>
#include <map>
#include <mutex>

namespace computesdk::serving {
namespace {

std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

/// {a="1",b="2"} without the braces.
std::string labelText(const Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (!out.empty()) out += ',';
    out += name + "=\"" + escaped(value) + "\"";
  }
  return out;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

std::string line(const std::string& name, const std::string& labels, const std::string& value) {
  return name + (labels.empty() ? "" : "{" + labels + "}") + " " + value + "\n";
}

void printHistogram(std::string& out, const std::string& name, const std::string& labels, const Histogram& histogram) {
  const std::string prefix = labels.empty() ? "" : labels + ",";
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < Histogram::kBuckets; ++i) {
    below += histogram.bucket(i);
    const std::string bound = i + 1 < Histogram::kBuckets ? number(Histogram::kBounds[i]) : "+Inf";
    out += line(name + "_bucket", prefix + "le=\"" + bound + "\"", std::to_string(below));
  }
  out += line(name + "_sum", labels, number(histogram.sum()));
  out += line(name + "_count", labels, std::to_string(below));
}

}  // namespace

void Histogram::observe(double seconds) noexcept {
  std::size_t index = 0;
  while (index + 1 < kBuckets && seconds > kBounds[index]) ++index;
  buckets_[index].add();
  if (seconds > 0) micros_.add(static_cast<std::uint64_t>(seconds * 1e6));
}

std::uint64_t Histogram::count() const noexcept {
  std::uint64_t sum = 0;
  for (const Counter& bucket : buckets_) sum += bucket.value();
  return sum;
}

struct Metrics::Families {
  struct Family {
    std::string help;
    std::string type;
    std::map<std::string, std::unique_ptr<Counter>> counters;
    std::map<std::string, std::unique_ptr<Gauge>> gauges;
    std::map<std::string, std::unique_ptr<Histogram>> histograms;
    std::function<double()> read;
  };

  mutable std::mutex mutex;
  std::map<std::string, Family, std::less<>> families;

  Family& family(std::string_view name, std::string_view help, const char* type) {
    auto [found, fresh] = families.try_emplace(std::string(name));
    if (fresh) found->second.help = help, found->second.type = type;
    return found->second;
  }
  template <class Series>
  static Series& series(std::map<std::string, std::unique_ptr<Series>>& all, const Labels& labels) {
    std::unique_ptr<Series>& one = all[labelText(labels)];
    if (!one) one = std::make_unique<Series>();
    return *one;
  }
};

Metrics::Metrics() : families_(std::make_unique<Families>()) {}
Metrics::~Metrics() = default;

Counter& Metrics::counter(std::string_view name, std::string_view help, const Labels& labels) {
  const std::lock_guard lock(families_->mutex);
  return Families::series(families_->family(name, help, "counter").counters, labels);
}

Gauge& Metrics::gauge(std::string_view name, std::string_view help, const Labels& labels) {
  const std::lock_guard lock(families_->mutex);
  return Families::series(families_->family(name, help, "gauge").gauges, labels);
}

Histogram& Metrics::histogram(std::string_view name, std::string_view help, const Labels& labels) {
  const std::lock_guard lock(families_->mutex);
  return Families::series(families_->family(name, help, "histogram").histograms, labels);
}

void Metrics::gauge(std::string_view name, std::string_view help, std::function<double()> read) {
  const std::lock_guard lock(families_->mutex);
  families_->family(name, help, "gauge").read = std::move(read);
}

std::string Metrics::text() const {
  const std::lock_guard lock(families_->mutex);
  std::string out;
  for (const auto& [name, family] : families_->families) {
    out += "# HELP " + name + " " + family.help + "\n# TYPE " + name + " " + family.type + "\n";
    for (const auto& [labels, counter] : family.counters) out += line(name, labels, std::to_string(counter->value()));
    for (const auto& [labels, gauge] : family.gauges) out += line(name, labels, std::to_string(gauge->value()));
    for (const auto& [labels, histogram] : family.histograms) printHistogram(out, name, labels, *histogram);
    if (family.read) out += line(name, "", number(family.read()));
  }
  return out;
}

}  // namespace computesdk::serving
