// A test framework in one page.
//
//   TEST("philox: known answers") { CHECK(a == b); CHECK_CLOSE(x, y, 1e-12); CHECK_THROWS(f(), InvalidArgument); }
//
// A failed check prints its place and values and the test goes on; an exception ends its test. main.cpp runs them all.
#pragma once

#include <cmath>
#include <cstdint>
#include <exception>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace check {

struct Test {
  std::string name;  // "test_philox.cpp: known answers"
  void (*body)();
};

inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

/// Failed checks of the test that runs now.
inline int& failures() {
  static int count = 0;
  return count;
}

struct Register {
  Register(std::string_view path, std::string_view name, void (*body)()) {
    tests().push_back({std::string(path.substr(path.find_last_of("/\\") + 1)) + ": " + std::string(name), body});
  }
};

/// After this many a test keeps count but stays silent, so that a loop of checks cannot flood the log.
inline constexpr int kPrinted = 10;

inline void fail(const char* file, int line, const std::string& what) {
  if (++failures() <= kPrinted) std::cout << "    " << file << ":" << line << ": " << what << "\n";
}

template <class T>
std::string show(const T& value) {
  std::ostringstream out;
  out.precision(17);
  out << value;
  return out.str();
}

inline void that(bool ok, const char* file, int line, const char* text) {
  if (!ok) fail(file, line, std::string("CHECK(") + text + ")");
}

/// |a - b| <= tol; false for NaN.
template <class A, class B, class C>
void close(A a, B b, C tol, const char* file, int line, const char* text) {
  const auto gap = std::abs(static_cast<long double>(a) - static_cast<long double>(b));
  if (!(gap <= static_cast<long double>(tol)))
    fail(file, line, std::string("CHECK_CLOSE(") + text + "): " + show(a) + " and " + show(b) + " differ by " + show(gap));
}

/// Runs the tests whose name contains `filter`; returns how many failed.
inline int run(std::string_view filter) {
  int passed = 0, failed = 0;
  for (const Test& test : tests()) {
    if (test.name.find(filter) == std::string::npos) continue;
    failures() = 0;
    try {
      test.body();
    } catch (const std::exception& e) {
      fail(test.name.c_str(), 0, std::string("threw: ") + e.what());
    }
    if (failures() > kPrinted) std::cout << "    ... and " << failures() - kPrinted << " more\n";
    if (failures() > 0) std::cout << "FAILED  " << test.name << std::endl;
    ++(failures() > 0 ? failed : passed);
  }
  std::cout << passed << " passed, " << failed << " failed\n";
  return passed + failed == 0 ? 1 : failed;
}

}  // namespace check

#define CHECK_JOIN2(a, b) a##b
#define CHECK_JOIN(a, b) CHECK_JOIN2(a, b)

// Numbered by a counter, for several files may be compiled as one.
#define TEST_NUMBERED(name, number)                                                                      \
  static void CHECK_JOIN(test_, number)();                                                               \
  static const check::Register CHECK_JOIN(register_, number)(__FILE__, name, CHECK_JOIN(test_, number)); \
  static void CHECK_JOIN(test_, number)()
#define TEST(name) TEST_NUMBERED(name, __COUNTER__)

#define CHECK(condition) check::that(static_cast<bool>(condition), __FILE__, __LINE__, #condition)
#define CHECK_CLOSE(a, b, tol) check::close((a), (b), (tol), __FILE__, __LINE__, #a ", " #b ", " #tol)
#define CHECK_THROWS(expression, Type)                                                        \
  do {                                                                                        \
    bool caught = false;                                                                      \
    try {                                                                                     \
      static_cast<void>(expression);                                                          \
    } catch (const Type&) {                                                                   \
      caught = true;                                                                          \
    }                                                                                         \
    if (!caught) check::fail(__FILE__, __LINE__, "CHECK_THROWS(" #expression ", " #Type ")"); \
  } while (false)
