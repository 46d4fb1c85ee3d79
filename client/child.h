// SPDX-License-Identifier: MIT
//
// A program that this one starts, with its standard streams in pipes. It is found by $PATH and gets its arguments as
// they are: no shell reads them.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/base/result.h"
#include "protocol/secret.h"

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace xk::client {

// Standard output is a pipe. Standard input is one too, or /dev/null; standard error is ours unless it is said
// otherwise.
enum class ChildErrors { ours, pipe, dropped };
struct ChildStreams {
    bool input = false;
    ChildErrors errors = ChildErrors::ours;
};

// It is killed with this object.
class Child {
  public:
    static Result<Child> start(const std::vector<std::string>& command, const ChildStreams& streams = {});
    Child(Child&& other) noexcept
        : id_(std::exchange(other.id_, -1)), status_(other.status_), input_(std::move(other.input_)),
          output_(std::move(other.output_)), errors_(std::move(other.errors_)) {}
    Child& operator=(Child&&) = delete;
    ~Child();

    int input() const { return input_.get(); }
    int output() const { return output_.get(); }
    int errors() const { return errors_.get(); }
    void close_input() { input_.reset(); }
    void close_output() { output_.reset(); }
    void close_errors() { errors_.reset(); }
    // Its exit code once it has ended; 128 and the signal's number where a signal ended it.
    std::optional<int> exit_code();
    int wait_for_end();

  private:
    Child() = default;

    pid_t id_ = -1;
    int status_ = 0;
    Fd input_, output_, errors_;
};

// Runs the program to its end; what it says on standard error is dropped. An error where it does not start, or says
// more than `limit` bytes.
struct ChildOutput {
    int exit_code = 0;
    WipedVector<char> text;
};
Result<ChildOutput> run_to_end(const std::vector<std::string>& command, std::size_t limit);

} // namespace xk::client
