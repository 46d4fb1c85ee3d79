// SPDX-License-Identifier: MIT
//
// Reads configuration files strictly, and knows the place of everything in them. A caller reads the keys that it knows.
// Unknown keys, keys that come twice and values of another kind are faults. All faults of a file are found, not only
// the first. No exception of yaml-cpp leaves this file.
//
// Only the plain part of YAML has a meaning: one document of mappings, sequences and scalars. "true" and
// "false" are the booleans (not "yes" or "on"), numbers are decimal.
#pragma once

#include "protocol/base/result.h"
#include "protocol/yaml/tree.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace xk::yaml {

struct Place {
    std::string file;
    int line = 0; // from 1; 0: the file as a whole
    int column = 0;

    std::string text() const; // "file:line:column"
};

struct Fault {
    Place place;
    std::string message;
    std::string hint;

    std::string text() const; // "file:line:column: message (hint)"
};

class Faults {
  public:
    void add(Place place, std::string message, std::string hint = {}) {
        all_.push_back({std::move(place), std::move(message), std::move(hint)});
    }
    void add_all(const Faults& others) { all_.insert(all_.end(), others.all_.begin(), others.all_.end()); }
    bool empty() const { return all_.empty(); }
    const std::vector<Fault>& all() const { return all_; }
    // One Error of all of them, one to a line.
    Error error() const;

  private:
    std::vector<Fault> all_;
};

// One scalar and its place.
struct Scalar {
    std::string value;
    Place place;
};

// Whether "key: []" is a fault. In many rules an empty list would mean "anywhere" or "always", which is hardly meant.
enum class EmptyList { fault, fine };

// From a key to the section that it belongs to.
using KeyHomes = std::map<std::string, std::string, std::less<>>;

// One mapping. Getters return nothing where the key is absent, and nothing with a fault where its value is of another
// kind. finish() reports the keys that no getter was called for.
class Section {
  public:
    std::optional<Scalar> scalar(std::string_view key);
    std::optional<bool> boolean(std::string_view key);
    std::optional<std::uint64_t> number(std::string_view key, std::uint64_t low, std::uint64_t high);
    std::optional<Section> section(std::string_view key);
    // A sequence of scalars; a single scalar counts as a sequence of one.
    std::optional<std::vector<Scalar>> scalars(std::string_view key, EmptyList empty = EmptyList::fault);
    // A mapping from names to scalars or sequences of scalars, in the order of the file.
    struct Entry {
        Scalar name;
        std::vector<Scalar> values;
    };
    std::optional<std::vector<Entry>> entries(std::string_view key);

    // The keys in the order of the file, and whether a value is a mapping. For mappings with free names as keys.
    std::vector<Scalar> keys() const;
    bool has(std::string_view key) const; // finish() may still report the key
    bool is_mapping(std::string_view key) const;

    // Parses scalar() by a function that returns a Result. Its error becomes a fault at the value.
    template <typename Parse>
    auto parsed(std::string_view key, Parse parse) -> std::optional<typename decltype(parse(""))::value_type> {
        const auto found = scalar(key);
        return found ? parse_at(*found, parse) : std::nullopt;
    }
    template <typename Parse>
    auto parse_at(const Scalar& at, Parse parse) -> std::optional<typename decltype(parse(""))::value_type> {
        auto result = parse(at.value);
        if (result)
            return *std::move(result);
        faults_->add(at.place, result.error().message, result.error().hint);
        return std::nullopt;
    }

    // A fault of finish() when the key is absent, unless an unknown key is its misspelling.
    void require(std::string_view key);
    // Reports unknown keys, missing ones, and sections with nothing below them: one fault for one mistake. `homes` says
    // in which section a key belongs that somebody may have forgotten to indent.
    void finish(const KeyHomes& homes = {});

    const Place& place() const { return place_; }
    Place place_of_key(std::string_view key) const; // the section's own where the key is absent
    Place place_of_value(std::string_view key) const;
    Faults& faults() { return *faults_; }

  private:
    friend std::optional<Section> read(std::string_view, const std::string&, Faults&);
    Section(std::shared_ptr<const Tree> tree, const Node& node, const std::string& file, Faults& faults);
    struct Member {
        const Node* key;
        const Node* value;
        bool known = false;
    };
    const Member* member(std::string_view key) const;
    const Node* find(std::string_view key);
    Place place_of(const Node& node) const;
    std::optional<Scalar> as_scalar(const Node& node);
    std::vector<Scalar> as_scalars(const Node& node);
    std::string hollow_before(const Member& unknown) const;

    std::shared_ptr<const Tree> tree_;
    std::string file_;
    Place place_;
    std::vector<Member> members_;
    std::vector<std::string> asked_, missing_, hollow_; // hollow: a section with nothing below it
    Faults* faults_;
};

// Parses a whole file. Nothing, with a fault, where it is not exactly one YAML document that is a mapping.
std::optional<Section> read(std::string_view text, const std::string& file, Faults& faults);

} // namespace xk::yaml
