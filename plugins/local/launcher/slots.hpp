// A fixed number of places for what has a member `used`. Only those that were ever in use are looked at, so that the
// rest of a large array never becomes memory: every sandbox has one of these.
#pragma once

namespace computesdk::local {

template <typename Item, int kCapacity>
class Slots {
 public:
  Item* begin() { return items_; }
  Item* end() { return items_ + reached_; }
  Item& operator[](int index) { return items_[index]; }
  int indexOf(const Item& item) const { return static_cast<int>(&item - items_); }
  int reached() const { return reached_; }

  // One that is not in use, or null. The caller marks it.
  Item* free() {
    for (Item& item : *this) {
      if (!item.used) return &item;
    }
    return reached_ < kCapacity ? &items_[reached_++] : nullptr;
  }

 private:
  Item items_[kCapacity] = {};
  int reached_ = 0;
};

}  // namespace computesdk::local
