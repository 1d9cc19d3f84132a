#include <vector>

namespace net {
namespace detail {

/// One session.
template <typename T>
class Session : public Base<T> {
 public:
  Session() = default;
  ~Session();
  void close() noexcept { pool_.release(*this); }
  bool operator==(const Session& other) const;
  int id() const;

 private:
  Pool pool_;
};

}  // namespace detail

struct Point {
  int x, y;
};

enum class State { Open, Closed };

using Ids = std::vector<int>;

constexpr int kLimit = 16;

template <typename T>
T largest(T a, T b) {
  return std::max(a, b);
}

}  // namespace net

#define CHECK(x) \
  do { \
    check(x); \
  } while (0)

int net::detail::Session<int>::id() const {
  return helper(1);
}

net::Point::Point(int x) : x(x) {}

auto main() -> int {
  auto s = new Session<int>();
}
