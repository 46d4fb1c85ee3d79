// SPDX-License-Identifier: MIT
#include "protocol/yaml/document.h"

#include "protocol/base/quote.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <sstream>

namespace xk::yaml {
namespace {

constexpr std::size_t kMaxFile = 1024 * 1024;

Place place_at(const std::string& file, const YAML::Mark& mark) {
    if (mark.is_null())
        return {file, 0, 0};
    return {file, mark.line + 1, mark.column + 1};
}

std::string_view kind_of(const YAML::Node& node) {
    if (node.IsMap())
        return "a mapping";
    if (node.IsSequence())
        return "a list";
    if (node.IsScalar())
        return "a single value";
    return "nothing";
}

// Notes where the last document began; nothing else of a text is of interest.
class DocumentMark final : public YAML::EventHandler {
  public:
    YAML::Mark begin;

    void OnDocumentStart(const YAML::Mark& mark) override { begin = mark; }
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
    void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
    void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
    void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
    void OnSequenceEnd() override {}
    void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
    void OnMapEnd() override {}
};

// Where a second document of the text begins. YAML::LoadAll() would tell, but never ends on "," (yaml-cpp 0.7: what
// cannot begin a document counts as an empty one, for ever).
std::optional<YAML::Mark> second_document(const std::string& text) {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    DocumentMark mark;
    if (!parser.HandleNextDocument(mark) || !parser.HandleNextDocument(mark))
        return std::nullopt;
    return mark.begin;
}

// Slips from one word to the other: a letter more, less or another one, or two in the wrong order (optimal
// string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) {
        for (std::size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[a.size()][b.size()];
}

} // namespace

std::string Place::text() const {
    if (line == 0)
        return printable(file, PATH_MAX);
    return printable(file, PATH_MAX) + ":" + std::to_string(line) + ":" + std::to_string(column);
}

std::string Fault::text() const { return place.text() + ": " + message + (hint.empty() ? "" : " (" + hint + ")"); }

Error Faults::error() const {
    std::string message;
    for (const Fault& fault : all_)
        message += (message.empty() ? "" : "\n") + fault.text();
    return Error{message, {}, Exit::configuration};
}

std::optional<std::string> nearest(std::string_view word, const std::set<std::string>& candidates) {
    std::optional<std::string> best;
    if (word.size() > 64) // nobody means that
        return best;
    std::size_t least = 1 + word.size() / 3; // further away is another word
    for (const std::string& candidate : candidates) {
        const std::size_t d = distance(word, candidate);
        if (d <= least && (!best || d < least)) {
            least = d;
            best = candidate;
        }
    }
    return best;
}

std::optional<Section> read(std::string_view text, const std::string& file, Faults& faults) {
    if (text.size() > kMaxFile) {
        faults.add({file, 0, 0}, "is larger than a megabyte");
        return std::nullopt;
    }
    if (text.find('\0') != std::string_view::npos) {
        faults.add({file, 0, 0}, "holds a zero byte", "is it a text file?");
        return std::nullopt;
    }
    try {
        const std::string copy(text);
        if (const auto second = second_document(copy)) {
            faults.add(place_at(file, *second), "is a second document in this file");
            return std::nullopt;
        }
        const YAML::Node document = YAML::Load(copy);
        if (document.IsNull()) {
            faults.add({file, 0, 0}, "is empty");
            return std::nullopt;
        }
        if (!document.IsMap()) {
            faults.add(place_at(file, document.Mark()),
                       "expected a mapping (\"key: value\") but this is " + std::string(kind_of(document)));
            return std::nullopt;
        }
        return Section(document, file, faults);
    } catch (const YAML::Exception& e) {
        faults.add(place_at(file, e.mark), printable(e.msg));
        return std::nullopt;
    }
}

Section::Section(const YAML::Node& node, const std::string& file, Faults& faults)
    : file_(file), place_(place_at(file, node.Mark())), faults_(&faults) {
    for (const auto& pair : node) {
        if (!pair.first.IsScalar()) {
            faults_->add(place_at(file_, pair.first.Mark()), "a key must be a single word");
            continue;
        }
        const Scalar key{pair.first.Scalar(), place_at(file_, pair.first.Mark())};
        const auto twin =
            std::find_if(members_.begin(), members_.end(), [&](const Member& m) { return m.key.value == key.value; });
        if (twin != members_.end()) {
            faults_->add(key.place, in_quotes(key.value) + " is there twice",
                         "the first is in line " + std::to_string(twin->key.place.line));
            continue;
        }
        members_.push_back({key, pair.second});
    }
}

Place Section::place_of_key(std::string_view key) const {
    const auto found = std::ranges::find_if(members_, [&](const Member& m) { return m.key.value == key; });
    return found == members_.end() ? place_ : found->key.place;
}

std::vector<Scalar> Section::keys() const {
    std::vector<Scalar> all;
    for (const Member& member : members_)
        all.push_back(member.key);
    return all;
}

bool Section::is_mapping(std::string_view key) const {
    return std::ranges::any_of(members_, [&](const Member& m) { return m.key.value == key && m.value.IsMap(); });
}

Place Section::place_of(const YAML::Node& node) const { return place_at(file_, node.Mark()); }

const YAML::Node* Section::find(std::string_view key) {
    asked_.emplace(key);
    for (Member& member : members_)
        if (member.key.value == key) {
            member.known = true;
            return &member.value;
        }
    return nullptr;
}

std::optional<Scalar> Section::as_scalar(const YAML::Node& node) {
    if (node.IsScalar())
        return Scalar{node.Scalar(), place_of(node)};
    faults_->add(place_of(node), "expected a single value but this is " + std::string(kind_of(node)));
    return std::nullopt;
}

std::vector<Scalar> Section::as_scalars(const YAML::Node& node) {
    std::vector<Scalar> values;
    if (!node.IsSequence()) {
        if (auto value = as_scalar(node))
            values.push_back(*std::move(value));
        return values;
    }
    for (const YAML::Node& item : node)
        if (auto value = as_scalar(item))
            values.push_back(*std::move(value));
    return values;
}

std::optional<Scalar> Section::scalar(std::string_view key) {
    const YAML::Node* const node = find(key);
    return node == nullptr ? std::nullopt : as_scalar(*node);
}

std::optional<bool> Section::boolean(std::string_view key) {
    const auto value = scalar(key);
    if (!value)
        return std::nullopt;
    if (value->value == "true" || value->value == "false")
        return value->value == "true";
    faults_->add(value->place, in_quotes(value->value) + " is neither true nor false");
    return std::nullopt;
}

std::optional<std::uint64_t> Section::number(std::string_view key, std::uint64_t low, std::uint64_t high) {
    const auto value = scalar(key);
    if (!value)
        return std::nullopt;
    std::uint64_t number = 0;
    const char* const last = value->value.data() + value->value.size();
    const auto [end, code] = std::from_chars(value->value.data(), last, number);
    if (!value->value.empty() && code == std::errc{} && end == last && number >= low && number <= high)
        return number;
    faults_->add(value->place, in_quotes(value->value) + " is not a number from " + std::to_string(low) + " to " +
                                   std::to_string(high));
    return std::nullopt;
}

std::optional<Section> Section::section(std::string_view key) {
    const YAML::Node* const node = find(key);
    if (node == nullptr)
        return std::nullopt;
    if (node->IsMap())
        return Section(*node, file_, *faults_);
    faults_->add(place_of(*node), "expected a mapping but this is " + std::string(kind_of(*node)));
    return std::nullopt;
}

std::optional<std::vector<Scalar>> Section::scalars(std::string_view key, EmptyList empty) {
    const YAML::Node* const node = find(key);
    if (node == nullptr)
        return std::nullopt;
    if (empty == EmptyList::fault && node->IsSequence() && node->size() == 0) {
        faults_->add(place_of(*node), in_quotes(key) + " is an empty list", "name something, or leave the key out");
        return std::nullopt;
    }
    return as_scalars(*node);
}

std::optional<std::vector<Section::Entry>> Section::entries(std::string_view key) {
    auto inner = section(key);
    if (!inner)
        return std::nullopt;
    std::vector<Entry> all;
    for (const Member& member : inner->members_)
        all.push_back({member.key, as_scalars(member.value)});
    return all;
}

void Section::require(std::string_view key) {
    if (find(key) == nullptr)
        faults_->add(place_, in_quotes(key) + " is missing");
}

void Section::finish() {
    for (const Member& member : members_) {
        if (member.known)
            continue;
        const auto meant = nearest(member.key.value, asked_);
        faults_->add(member.key.place, "unknown key " + in_quotes(member.key.value),
                     meant ? "did you mean \"" + *meant + "\"?" : "");
    }
}

} // namespace xk::yaml
