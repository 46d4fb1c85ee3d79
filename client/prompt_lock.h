// SPDX-License-Identifier: MIT
//
// The right to ask a person. One process has it at a time for each profile, and one for each terminal. It is a lock on
// a file in $XDG_RUNTIME_DIR/xknock, without that in the client's state directory. The kernel takes it from a process
// that ends, however it ends. The file says what became of the last question (prompt_note.h).
#pragma once

#include "protocol/base/fd.h"

#include <optional>
#include <string>

namespace xk::client {

enum class Taken { by_us, by_another, impossible };

class PromptLock {
  public:
    // `name` is that of the file. Without a directory of our own there is no lock, and then everybody asks.
    explicit PromptLock(std::string name) : name_(std::move(name)) {}

    // Does not wait. Having it already is having it.
    Taken take();
    void release() { fd_.reset(); }
    bool is_ours() const { return static_cast<bool>(fd_); }

    // What the file says; only for who has the lock. Nothing from a file that others can read or write.
    std::string text() const;
    // No fault of it keeps anybody out: then it is empty.
    void write(const std::string& text) const;

  private:
    std::string name_;
    Fd fd_;
};

// The name of the lock for this terminal; nothing where the kernel does not say which one it is.
std::optional<std::string> terminal_lock_name(int tty);

} // namespace xk::client
