require 'json'

# Keeps sessions.
module Sessions
  LIMIT = 16

  class Session < Base
    include Comparable
    attr_accessor :id, :name
    attr_reader :pool

    # Opens one.
    def initialize(id)
      @id = normalize(id)
    end

    def self.open(id)
      new(id).tap(&:start)
    end

    define_method(:label) do
      "x"
    end

    class << self
      def build; end
    end
  end

  class Admin::Session
    def live?
      Pool.size > 0
    end
  end
end

Point = Struct.new(:x, :y)
alias_method :other, :label
