# frozen_string_literal: true

# Renders rows of cells as an aligned plain-text table.
#
#   table = TextTable.new(%w[item price], align: { "price" => :right })
#   table << ["pencil", 0.8]
#   table << ["notebook", 3.25]
#   puts table
#
#   item      price
#   --------  -----
#   pencil      0.8
#   notebook   3.25
class TextTable
  include Enumerable

  ALIGNERS = {
    left: ->(text, width) { text.ljust(width) },
    right: ->(text, width) { text.rjust(width) },
    center: ->(text, width) { text.center(width) }
  }.freeze

  attr_reader :headers

  def initialize(headers, align: {}, gap: 2, max_width: nil)
    unknown = align.keys - headers
    raise ArgumentError, "no such column: #{unknown.join(', ')}" if unknown.any?

    @headers = headers.map(&:to_s)
    @aligners = headers.map { |name| ALIGNERS.fetch(align.fetch(name, :left)) }
    @gap = " " * gap
    @max_width = max_width
    @rows = []
  end

  def <<(row)
    unless row.size == headers.size
      raise ArgumentError, "expected #{headers.size} cells, got #{row.size}"
    end

    @rows << row.map { |cell| clip(cell.to_s) }
    self
  end

  def each(&block)
    return enum_for(:each) unless block

    @rows.each(&block)
  end

  def sort_by_column(name, &key)
    key ||= :itself.to_proc
    index = headers.index(name.to_s) or raise ArgumentError, "no such column: #{name}"
    dup.tap { |copy| copy.rows = @rows.sort_by { |row| key.call(row[index]) } }
  end

  def to_s
    widths = column_widths
    rule = widths.map { |width| "-" * width }
    [headers, rule, *@rows].map { |row| format_row(row, widths) }.join("\n")
  end

  protected

  attr_writer :rows

  private

  def initialize_copy(original)
    super
    @rows = @rows.dup
  end

  def column_widths
    [headers, *@rows].transpose.map { |cells| cells.map(&:size).max }
  end

  def format_row(row, widths)
    padded = row.each_with_index.map do |cell, index|
      @aligners[index].call(cell, widths[index])
    end
    padded.join(@gap).rstrip
  end

  def clip(text)
    return text if @max_width.nil? || text.size <= @max_width

    "#{text[0, @max_width - 1]}~"
  end
end
