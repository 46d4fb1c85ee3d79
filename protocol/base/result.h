// SPDX-License-Identifier: MIT
//
// Result<T>: a value or an Error, with the names of std::expected that g++-12 does not have yet.
//
// An Error is a failure of the environment or of the configuration (never of a packet: that is a
// authz::Reject). It is made where it happens, with errno taken at once, travels up unchanged or
// with added context, and is logged once, at the top.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace xk {

// Process exit codes, the same for every program here. sysexits.h has the odd ones.
enum class Exit : int {
    ok = 0,
    failed = 1,
    usage = 2,
    bug = 70,           // EX_SOFTWARE
    busy = 75,          // EX_TEMPFAIL: another daemon holds the lock
    configuration = 78, // EX_CONFIG: systemd must not restart on it
    trial_over = 79,    // nobody confirmed: everything was taken away; systemd must not restart on it
};

struct Error {
    std::string message; // lower case, no full stop, the offending token quoted
    std::string hint;    // what the operator can do; may be empty
    Exit exit = Exit::failed;

    // The same error with "context: " before the message.
    Error within(std::string_view context) && {
        message = std::string(context) + ": " + message;
        return std::move(*this);
    }
};

// Error from errno, which is read before anything else can change it.
inline Error os_error(std::string_view what, std::string hint = {}) {
    const int code = errno;
    return Error{std::string(what) + ": " + std::strerror(code), std::move(hint), Exit::failed};
}

// Error from an errno value that a library returned, positive or negative.
inline Error os_error_of(int code, std::string_view what, std::string hint = {}) {
    errno = code < 0 ? -code : code;
    return os_error(what, std::move(hint));
}

template <typename T>
class [[nodiscard]] Result {
  public:
    using value_type = T;

    Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : content_(std::in_place_index<1>, std::move(error)) {}

    bool has_value() const { return content_.index() == 0; }
    explicit operator bool() const { return has_value(); }

    // Reading the wrong side is a bug of the caller, so it aborts.
    T& value() & { return require<0>(); }
    const T& value() const& { return const_cast<Result*>(this)->require<0>(); }
    T value() && { return std::move(require<0>()); } // by value: safe in a range-based for
    Error& error() & { return require<1>(); }
    const Error& error() const& { return const_cast<Result*>(this)->require<1>(); }
    Error error() && { return std::move(require<1>()); }

    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

  private:
    template <std::size_t I>
    auto& require() {
        if (content_.index() != I)
            std::abort();
        return *std::get_if<I>(&content_);
    }

    std::variant<T, Error> content_;
};

template <>
class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : failed_(true), error_(std::move(error)) {}

    bool has_value() const { return !failed_; }
    explicit operator bool() const { return has_value(); }

    Error& error() & { return require(); }
    const Error& error() const& { return const_cast<Result*>(this)->require(); }
    Error error() && { return std::move(require()); }

  private:
    Error& require() {
        if (!failed_)
            std::abort();
        return error_;
    }

    bool failed_ = false;
    Error error_;
};

} // namespace xk
